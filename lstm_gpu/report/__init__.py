"""Everything that people read: tables, figures and the page, from the shards of a run alone."""
