"""What the site decides: pure, standard library only."""
