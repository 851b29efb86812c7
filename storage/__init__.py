"""What we know: tables, migrations, named queries, usage facts and importers."""
