"""From live objects and files to source: what makes a step's capsule."""
