"""Values inside texts: JSON, HTML, XML, headers; their names, classes and times."""
