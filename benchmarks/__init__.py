"""How fast zenbook is, beside the figures that it promises: ``python -m benchmarks [name…]``.

Every figure is measured in one go, its repetitions taking turns with those of its yardstick, so that a busy or slow
machine slows both. Nothing is written below the current folder.
"""
