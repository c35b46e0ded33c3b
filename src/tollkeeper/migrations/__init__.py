"""The database's history, one file per step; shipped with the program and run by `infra`."""
