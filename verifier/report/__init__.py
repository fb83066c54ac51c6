"""Reports: a judged run as text, Markdown, HTML, JUnit XML and JSON. Values in, text out; nothing here reads files."""
