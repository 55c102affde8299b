"""The other end of each wire, without IO as well."""
