"""Attacks on a sandbox, as data. `CANARY_FILE`, `WRITTEN_FILE`, `PORT` and `PID` are replaced by the test's own before each run.

Each must end in a typed error or in a harmless value, without a planted secret coming out and without holding up the host.
In scope are the tools `echo(value)` (a bound method of an object that holds a secret) and `fail()` (raises an error that mentions nothing).
"""

# ruff: noqa: E501 - each attack is one line of data
from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ATTACKS", "Attack"]


@dataclass(frozen=True, slots=True)
class Attack:
    name: str
    code: str


def _walk(expression: str) -> str:
    """Try an expression; what it gives goes out as text."""
    return f"result = {expression}\nstr(result)"


FILES = [
    Attack("read a file", "open('CANARY_FILE').read()"),
    Attack("read a file through a relative path", "open('../../../../../../../../CANARY_FILE').read()"),
    Attack("read a file with pathlib", "import pathlib\npathlib.Path('CANARY_FILE').read_text()"),
    Attack("read a file with os.open", "import os\nos.read(os.open('CANARY_FILE', os.O_RDONLY), 1000)"),
    Attack("read a file with io", "import io\nio.FileIO('CANARY_FILE').readall()"),
    Attack("read a file with codecs", "import codecs\ncodecs.open('CANARY_FILE').read()"),
    Attack("read a file with linecache", "import linecache\nlinecache.getlines('CANARY_FILE')"),
    Attack("read a file with fileinput", "import fileinput\nlist(fileinput.input('CANARY_FILE'))"),
    Attack("read the password file", "text = open('/etc/passwd').read()\nassert 'root' not in text\ntext"),
    Attack("read the host's environment from proc", "open('/proc/self/environ', 'rb').read()"),
    Attack("read the parent's environment from proc", "open('/proc/PID/environ', 'rb').read()"),
    Attack("read through a link", "import os\nos.symlink('CANARY_FILE', 'link')\nopen('link').read()"),
    Attack("write a file", "open('WRITTEN_FILE', 'w').write('x')"),
    Attack("write a file with pathlib", "import pathlib\npathlib.Path('WRITTEN_FILE').write_text('x')"),
    Attack("delete a file", "import os\nos.remove('CANARY_FILE')"),
    Attack("move a file", "import os\nos.rename('CANARY_FILE', 'WRITTEN_FILE')"),
    Attack("delete a tree", "import shutil\nshutil.rmtree('/', ignore_errors=True)"),
    Attack(
        "list the root", "import os\nassert 'home' not in os.listdir('/') and 'work' not in [n for n in os.listdir('/') if n == 'root']"
    ),
    Attack("fill the disk", "while True:\n    open('big', 'ab').write(b'x' * 10_000_000)"),
    Attack("make many files", "import os\nfor i in range(10**7):\n    open(f'f{i}', 'w').write('x')"),
    Attack("database on disk", "import sqlite3\nsqlite3.connect('WRITTEN_FILE').execute('create table t (x)')"),
    Attack("mount", "import ctypes\nassert ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, 0) == 0"),
    Attack("leave the root", "import os\nos.chroot('.')\nopen('CANARY_FILE').read()"),
    Attack("load an extension from disk", "import importlib.machinery as m\nm.ExtensionFileLoader('x', 'CANARY_FILE').load_module()"),
]

NETWORK = [
    Attack("connect to the host", "import socket\nsocket.create_connection(('127.0.0.1', PORT), timeout=0.2).sendall(b'x')"),
    Attack("connect from asyncio", "import asyncio\nasyncio.run(asyncio.wait_for(asyncio.open_connection('127.0.0.1', PORT), 0.2))"),
    Attack("fetch with urllib", "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:PORT/', timeout=0.2).read()"),
    Attack(
        "fetch with http.client",
        "import http.client\nc = http.client.HTTPConnection('127.0.0.1', PORT, timeout=0.2)\nc.request('GET', '/')",
    ),
    Attack("send a datagram", "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', PORT))"),
    Attack("listen", "import socket\ns = socket.socket()\ns.bind(('0.0.0.0', 0))\ns.listen()"),
    Attack("raw socket", "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_RAW, 1)"),
    Attack("unix socket", "import socket\nsocket.socket(socket.AF_UNIX).connect('/var/run/docker.sock')"),
    Attack("virtual machine socket", "import socket\nsocket.socket(40, socket.SOCK_STREAM).connect((2, PORT))"),
    Attack("kernel socket", "import socket\nsocket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)"),
    Attack("look up a name", "import socket\nsocket.getaddrinfo('example.com', 80)"),
]

ENVIRONMENT = [
    Attack("read the environment", "import os\nstr(dict(os.environ))"),
    Attack("read one variable", "import os\nos.getenv('WHET_TEST_CANARY')"),
    Attack("read the environment through posix", "import posix\nstr(posix.environ)"),
    Attack(
        "read the environment from C",
        "import ctypes\nctypes.CDLL(None).getenv.restype = ctypes.c_char_p\nctypes.CDLL(None).getenv(b'WHET_TEST_CANARY')",
    ),
    Attack("read the arguments", "import sys\nstr(sys.argv) + str(sys.orig_argv)"),
]

PROCESSES = [
    Attack("os.system", "import os\nassert os.system('touch WRITTEN_FILE') == 0"),
    Attack("os.popen", "import os\nos.popen('cat CANARY_FILE').read()"),
    Attack("subprocess", "import subprocess\nsubprocess.run(['cat', 'CANARY_FILE'], capture_output=True).stdout"),
    Attack("subprocess shell", "from subprocess import getoutput\ngetoutput('env; cat CANARY_FILE')"),
    Attack("multiprocessing", "import multiprocessing\np = multiprocessing.Process(target=print)\np.start()\np.join()"),
    Attack("pty", "import pty\npty.spawn('/bin/sh')"),
    Attack("fork bomb", "import os\nwhile True:\n    os.fork()"),
    Attack("forkpty", "import os\nos.forkpty()"),
    Attack("exec another program", "import os\nos.execv('/bin/sh', ['sh', '-c', 'touch WRITTEN_FILE'])"),
    Attack("kill the host", "import os, signal\nos.kill(PID, signal.SIGKILL)"),
    Attack("kill everything", "import os, signal\nos.kill(-1, signal.SIGTERM)"),
    Attack("stop the parent", "import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)"),
    Attack("trace the parent", "import ctypes\nassert ctypes.CDLL(None).ptrace(16, PID, 0, 0) == 0"),
    Attack("read the host's memory", "open('/proc/PID/mem', 'rb').read(10)"),
    Attack(
        "thread bomb",
        "import threading, time\nfor _ in range(10**5):\n    threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
    ),
    Attack("new namespaces", "import ctypes\nassert ctypes.CDLL(None).unshare(0x10000000) == 0"),
]

NATIVE = [
    Attack("ctypes at a null address", "import ctypes\nctypes.string_at(0)"),
    Attack("jump nowhere", "import ctypes\nctypes.CFUNCTYPE(None)(1)()"),
    Attack("faulty bytecode", "import types\nf = (lambda: 0)\nf.__code__ = f.__code__.replace(co_code=b'\\x64\\xff' * 8)\nf()"),
    Attack("abort", "import os\nos.abort()"),
    Attack("leave at once", "import os\nos._exit(0)"),
    Attack("deep C recursion", "import sys\nsys.setrecursionlimit(10**9)\ndef f(): f()\nf()"),
    Attack("close every descriptor", "import os\nos.closerange(0, 1000)"),
    Attack(
        "write on every descriptor",
        "import os\nfor i in range(64):\n    try:\n        os.write(i, b'\\xff' * 100)\n    except OSError:\n        pass",
    ),
    Attack(
        "read every descriptor",
        "import os\nfor i in range(3, 64):\n    try:\n        print(os.get_blocking(i), os.fstat(i).st_size)\n    except OSError:\n        pass",
    ),
    Attack("io_uring", "import ctypes\nassert ctypes.CDLL(None).syscall(425, 8, 0) >= 0"),
    Attack("bpf", "import ctypes\nassert ctypes.CDLL(None).syscall(321, 0, 0, 0) >= 0"),
]

WALKING = [
    Attack(
        "subclasses of object",
        _walk("[c for c in ().__class__.__base__.__subclasses__() if 'whet' in c.__module__ and 'guest' not in c.__module__]"),
    ),
    Attack("globals of a function", _walk("[k for k in echo.__globals__ if 'anary' in k]")),
    Attack("the object behind a method", _walk("echo.__self__.secret")),
    Attack("the function behind a method", _walk("echo.__func__.__globals__")),
    Attack("the closure of a tool", _walk("[c.cell_contents for c in echo.__closure__]")),
    Attack(
        "the frame of the caller",
        "import sys\nframe = sys._getframe()\nseen = []\nwhile frame:\n    seen.append(str(frame.f_locals))\n    frame = frame.f_back\nstr(seen)",
    ),
    Attack(
        "the frame of an error",
        "try:\n    fail()\nexcept Exception as error:\n    frame = error.__traceback__.tb_frame\n    text = str(frame.f_globals)\ntext",
    ),
    Attack(
        "the cause of a tool's error",
        "try:\n    fail()\nexcept Exception as error:\n    text = str(error.__context__) + str(error.__cause__)\ntext",
    ),
    Attack("objects of the collector", "import gc\nstr([o for o in gc.get_objects() if 'secret' in str(o)][:50])"),
    Attack("loaded modules", "import sys\nsys.modules['whet.sandbox.interpreter'].os.environ"),
    Attack("main module", "import __main__\nstr(vars(__main__))"),
    Attack("inspect the stack", "import inspect\nstr([f.frame.f_locals for f in inspect.stack()])"),
    Attack("format string", "'{0.__self__.secret} {0.__globals__}'.format(echo)"),
    Attack("format string with a map", "'{e.__self__.secret}'.format_map({'e': echo})"),
    Attack("f-string", "f'{echo.__self__.__dict__}'"),
    Attack("getattr by pieces", "getattr(getattr(echo, '__se' + 'lf__'), 'sec' + 'ret')"),
    Attack("reduce", "str(echo.__reduce__())"),
    Attack("pickle of a tool", "import pickle\nstr(pickle.dumps(echo))"),
]

IMPORTS = [
    Attack("dunder import", "__import__('os').system('touch WRITTEN_FILE')"),
    Attack("importlib", "import importlib\nimportlib.import_module('subprocess').run(['touch', 'WRITTEN_FILE'])"),
    Attack("import the package under attack", "import whet\nwhet.settings"),
    Attack("import the host's packages", "import pydantic\npydantic.__file__"),
    Attack("path of the host", "import sys\nsys.path.append('/work/main/src')\nimport whet.core.context"),
    Attack("eval", "eval(\"open('CANARY_FILE').read()\")"),
    Attack("exec", "exec(\"import os\\nos.system('touch WRITTEN_FILE')\")"),
    Attack("compile", "exec(compile(\"open('WRITTEN_FILE', 'w')\", 'x', 'exec'))"),
    Attack("pip", "import ensurepip\nensurepip.bootstrap()"),
    Attack("input", "input()"),
    Attack("breakpoint", "breakpoint()"),
]

BOMBS = [
    Attack("endless loop", "while True:\n    pass"),
    Attack(
        "endless loop that catches", "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass"
    ),
    Attack("endless loop in C", "sum(range(10**13))"),
    Attack("long sleep", "import time\ntime.sleep(3600)"),
    Attack(
        "long sleep that catches", "import time\nwhile True:\n    try:\n        time.sleep(3600)\n    except BaseException:\n        pass"
    ),
    Attack("big power", "x = 9 ** 9 ** 9"),
    Attack("big shift", "x = 1 << (1 << 40)"),
    Attack("big factorial", "import math\nmath.factorial(10**7)"),
    Attack("number to text", "str(10 ** 4_000_000)"),
    Attack("number out", "10 ** 4_000_000"),
    Attack("big list", "[0] * 10**10"),
    Attack("big text", "'x' * 10**11"),
    Attack("growing list", "x = []\nwhile True:\n    x.append('y' * 100_000)"),
    Attack("growing dict", "d = {}\ni = 0\nwhile True:\n    d[i] = str(i)\n    i += 1"),
    Attack("doubling text", "s = 'x'\nwhile True:\n    s += s"),
    Attack("wide format", "'%1000000000d' % 1"),
    Attack("wide f-string", "f'{1:1000000000}'"),
    Attack("recursion", "def f(n):\n    return f(n + 1)\nf(0)"),
    Attack("recursion through repr", "x = []\nfor _ in range(100_000):\n    x = [x]\nrepr(x)"),
    Attack("deep result", "x = []\nfor _ in range(100_000):\n    x = [x]\nx"),
    Attack("result that contains itself", "x = []\nx.append(x)\nx"),
    Attack("result that unfolds", "x = ['x' * 100]\nfor _ in range(8):\n    x = [x] * 100\nx"),
    Attack("result of long texts", "['x' * 1_000_000] * 100_000"),
    Attack("argument that unfolds", "x = [0]\nfor _ in range(8):\n    x = [x] * 100\necho(x)"),
    Attack("argument that is deep", "x = {}\nfor _ in range(100_000):\n    x = {'x': x}\necho(x)"),
    Attack("argument that is large", "echo('x' * 30_000_000)"),
    Attack("error that is large", "raise ValueError('x' * 30_000_000)"),
    Attack("error that unfolds", "x = [0]\nfor _ in range(8):\n    x = [x] * 100\nraise ValueError(x)"),
    Attack("final value that unfolds", "x = [0]\nfor _ in range(8):\n    x = [x] * 100\nSUBMIT(x)"),
    Attack("output bomb", "while True:\n    print('x' * 100_000)"),
    Attack("output of one line", "print('x' * 30_000_000)"),
    Attack("output in small pieces", "while True:\n    print('x', end='')"),
    Attack("deep source", "(" * 5000 + ")" * 5000),
    Attack("long source", "+".join(["1"] * 100_000)),
    Attack("many unary operators", "-" * 100_000 + "1"),
    Attack("slow pattern", "import re\nre.match('(a+)+$', 'a' * 40 + 'b')"),
    Attack("slow pattern, nested", "import re\nre.findall('(x+x+)+y', 'x' * 5000)"),
    Attack("slow decimal", "import decimal\ndecimal.getcontext().prec = 10**6\ndecimal.Decimal(2) ** decimal.Decimal('0.5')"),
    Attack("colliding keys", "d = {}\nfor i in range(10**6):\n    d[i * (2**61 - 1)] = i"),
    Attack("unpacking bomb", "import zlib\nzlib.decompress(zlib.compress(b'0' * 10**8))"),
    Attack(
        "entity bomb",
        "import xml.dom.minidom as m\nm.parseString('<!DOCTYPE x [<!ENTITY a \"' + 'a' * 9999 + '\">' + '<!ENTITY b \"' + '&a;' * 9999 + '\">]><x>&b;</x>')",
    ),
    Attack(
        "many handlers",
        "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0)\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True:\n    pass",
    ),
]

BRIDGE = [
    Attack("call of a tool that there is not", "launch_missiles(1)"),
    Attack("flood of calls", "while True:\n    echo(1)"),
    Attack("flood of calls that catches", "while True:\n    try:\n        fail()\n    except Exception:\n        pass"),
    Attack("code as an argument", "echo(\"__import__('os').environ['WHET_TEST_CANARY']\")"),
    Attack("function as an argument", "echo(lambda: 1)"),
    Attack("tool as an argument", "echo(echo)"),
    Attack("module as an argument", "import os\necho(os)"),
    Attack(
        "class with its own text", "class Liar:\n    def __repr__(self):\n        return 'x' * 10**10\n    __str__ = __repr__\necho(Liar())"
    ),
    Attack("wrong arguments", "echo(1, 2, 3, secret=4)"),
    Attack("dunder keyword", "echo(**{'__class__': 1, 'self': 2})"),
    Attack("changed tool", "echo.secret = 1\necho.__call__ = print"),
    Attack("catching the end", "while True:\n    try:\n        SUBMIT(1)\n    except BaseException:\n        pass"),
    Attack("imitated failure", "class CodeInterpreterError(Exception):\n    pass\nraise CodeInterpreterError('the session is lost')"),
    Attack("imitated final value", "class FinalOutput:\n    def __init__(self):\n        self.output = {'output': 1}\nFinalOutput()"),
    Attack(
        "error that cannot be read",
        "class Bad(Exception):\n    def __str__(self):\n        raise SystemExit\n    args = property(lambda self: 1 / 0)\nraise Bad()",
    ),
    Attack("odd text", "'\\ud800\\x00' + chr(0x10ffff)"),
]

ATTACKS = [*FILES, *NETWORK, *ENVIRONMENT, *PROCESSES, *NATIVE, *WALKING, *IMPORTS, *BOMBS, *BRIDGE]
