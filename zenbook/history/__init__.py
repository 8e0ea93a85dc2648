"""Look back: runs, tags, cache explanations, garbage collection, the doctor."""
