def run(): pass


def admin(): pass
