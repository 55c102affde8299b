"""What the site is: YAML to frozen models."""
