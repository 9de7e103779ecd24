from setuptools import setup

setup(
    name="tally",
    version="2.1",
    description="Counts what stands in files",
    packages=["tallylib"],
    scripts=["bin/tally", "bin/tally.bat"],
    install_requires=["python-dateutil"],
)
