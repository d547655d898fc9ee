"""What the system tests are written with: processes, brokers, certificates, publishers, readers.

Everything here talks to Weir from outside: command lines, MQTT, Kafka, files. Nothing imports or
shares code with it, the computation of the expected windows included.
"""
