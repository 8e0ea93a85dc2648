"""The metadata store on a SQL database, and what its databases need."""
