"""The walls of the house: functions that take a root folder and name what breaks a rule, as "file: rule …" sentences."""
