"""The two engines that run brokers and job, behind one interface: engine.py."""
