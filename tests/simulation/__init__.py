"""The device's and the function's real code above a simulated world, one seed a history.

The production modules are loaded unchanged; what they import of the standard library for
threads, time, files and the network is ours (`realm.py`). So every thread is a greenlet, every
wait a step, and one seeded scheduler chooses which step comes next.
"""
