"""stub"""


class Coordination:
    def __init__(self, broker):
        pass

    def partitions_moved(self, moved):
        pass

    def topic_deleted(self, name):
        pass

    def stop(self):
        pass
