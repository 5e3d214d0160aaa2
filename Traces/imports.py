# SPDX-License-Identifier: Apache-2.0
"""Imports most of the standard library, as a large program does when it starts."""

import importlib

NAMES = """
abc argparse array ast asyncio base64 bisect bz2 calendar cmath cmd code codecs collections
colorsys compileall concurrent.futures configparser contextlib copy csv ctypes dataclasses
datetime decimal difflib dis doctest email.message email.mime.multipart enum fileinput filecmp
fractions ftplib functools getopt getpass gettext glob graphlib gzip hashlib heapq hmac
html.parser http.client http.cookies http.server imaplib inspect io ipaddress itertools json
keyword linecache locale logging.config logging.handlers lzma mailbox math mimetypes
multiprocessing.pool netrc numbers operator optparse os pathlib pdb pickle pickletools pkgutil
platform plistlib poplib pprint profile pstats queue quopri random re reprlib rlcompleter sched
secrets select selectors shelve shlex shutil signal smtplib socket socketserver sqlite3 ssl stat
statistics string stringprep struct subprocess symtable sysconfig tarfile tempfile textwrap
threading timeit token tokenize trace traceback tracemalloc types typing unicodedata unittest.mock
urllib.request urllib.robotparser uuid venv warnings wave weakref webbrowser wsgiref.simple_server
xml.dom.minidom xml.etree.ElementTree xml.sax xmlrpc.client xmlrpc.server zipapp zipfile zipimport
zlib zoneinfo
"""

for name in NAMES.split():
    importlib.import_module(name)
print(len(NAMES.split()), "modules")
