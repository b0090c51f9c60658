"""From alerts to notifications: groups, what holds them back, and the lanes to receivers."""
