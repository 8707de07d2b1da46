"""Fine-tuning jobs and trainers, hosted and local."""
