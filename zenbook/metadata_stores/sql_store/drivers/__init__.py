"""What differs between database servers."""
