"""How the site meets the world: links, clock, journal, spool, sinks, pages and commands."""
