"""Do the tests notice a fault? Small changes are made to the code, one at a time, and tests run.

What is changed comes from cosmic-ray's operators. How the tests run is ours: cosmic-ray starts
Python anew for each change and edits the checkout; mutmut takes a module's name from its path,
which `lambda/` breaks, and leaves out decorated functions. Here a process that has loaded the
packages once is forked for each change, and the child alone sees the changed file.
"""
