"""The steps: what a DAG's task or a command runs. Each takes the settings and its partition or as_of, and no clock."""
