"""`runner-new`: the files of an option of one's own, which run and are tested as they are."""
