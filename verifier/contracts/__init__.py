"""The contracts of service versions: reads them, compares them in both directions, and validates traffic."""
