"""Reports: tables, findings and the checking of claims."""
