"""The trainer: schedule trainings, choose models that suit the data, and publish better ones."""
