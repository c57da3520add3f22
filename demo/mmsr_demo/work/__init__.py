"""What the page asks for: jobs, the pipeline behind a queue, results."""
