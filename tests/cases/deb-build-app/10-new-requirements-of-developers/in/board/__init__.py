import pkg_resources


def main():
    pass
