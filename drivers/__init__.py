"""What each device says, without IO."""
