"""Commands before and after training: export, averages, measurements, pictures."""
