"""Environment, JSON and tables that every benchmark writes."""
