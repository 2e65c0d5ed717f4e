"""Settings as code: a cluster's settings as a file that is exported, planned, applied and watched for drift."""
