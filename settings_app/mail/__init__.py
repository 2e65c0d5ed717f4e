"""Mail: speaking SMTP, and sending with a cluster's settings."""
