"""What this computer has and lacks, and what will make commands of Docker fail."""
