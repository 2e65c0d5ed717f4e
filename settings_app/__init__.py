"""System settings: one typed table per section per cluster; revisions; mail."""
