from zenbook.notebook.panels.log_tail import LIMIT, LogTail


def tail_of(*texts: str) -> LogTail:
    tail = LogTail()
    for text in texts:
        tail.add(text)
    return tail


def test_lines_are_counted_with_the_one_that_goes_on():
    tail = tail_of("a\nb", "c\n", "d")
    assert tail.lines == 3
    assert tail.last(2, 100) == "bc\nd"
    assert tail.between(0, 2) == "a\nbc\n"
    assert tail.between(1, 9) == "bc\nd"
    assert tail.between(7, 9) == ""


def test_the_last_lines_are_cut_to_a_size():
    assert tail_of("x" * 1000).last(3, 10) == "x" * 10


def test_a_long_log_keeps_its_end_and_knows_what_it_lacks():
    tail = LogTail()
    for one in range(100_000):
        tail.add(f"line {one}\n")
    assert tail.lines == 100_000
    assert tail.size <= LIMIT
    assert tail.between(99_500, 100_000).startswith("line 99500\n")
    assert tail.between(99_500, 100_000).endswith("line 99999\n")
    assert tail.between(0, 500) is None
    assert tail.last(2, 500) == "line 99998\nline 99999"


def test_other_line_ends_are_no_line_ends():
    assert tail_of("a\rb\x0cc\nd\n").between(1, 2) == "d\n"
