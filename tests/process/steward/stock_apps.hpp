// Apps that know nothing of Steward, on the servers that they usually run on: Debian's packages
// python3-flask, python3-waitress and gunicorn (script/bootstrap test installs them).
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "bed.hpp"

namespace steward::tests {

// One way to run a Flask app.
struct StockApp {
    const char* name;
    const char* needs;                 // the Python module of the server
    Arguments options;                 // of steward
    const char* mode;                  // of --handoff, as it is chosen
    std::vector<const char*> command;  // FOLDER stands for that of the files
};

// With the socket handed over.
inline std::vector<StockApp> handed_over() {
    return {
        {"flask run", "flask", {}, "werkzeug", {"flask", "--app", "FOLDER/site/hello.py", "run"}},
        {"python3 -m flask run",
         "flask",
         {},
         "werkzeug",
         {"python3", "-m", "flask", "--app", "FOLDER/site/hello", "run", "--port", "{port}"}},
        {"app.run()",
         "flask",
         {"--handoff", "werkzeug"},
         "werkzeug",
         {"python3", "FOLDER/site/hello.py"}},
        {"gunicorn",
         "gunicorn",
         {},
         "listen-fds",
         {"gunicorn", "--chdir", "FOLDER/site", "hello:app"}},
        {"python3 -m gunicorn",
         "gunicorn",
         {},
         "listen-fds",
         {"python3", "-m", "gunicorn", "--chdir", "FOLDER/site", "-b", "{host}:{port}",
          "hello:app"}},
        {"waitress", "waitress", {}, "flag", {"python3", "FOLDER/site/served.py", "{fd}"}},
    };
}

// Binding for themselves.
inline std::vector<StockApp> own_ports() {
    return {
        {"waitress-serve",
         "waitress",
         {},
         "port",
         {"python3", "-m", "waitress", "--listen={host}:{port}", "hello:app"}},
    };
}

// Writes the app below a folder, broken or whole. FOLDER/site/hello.py is a module with `app`, and a
// program; FOLDER/site/served.py serves it with waitress, on the descriptor that it is given.
inline void write_app(const Sandbox& files, const std::string& first_line = {}) {
    std::filesystem::create_directories(files.file("site"));
    files.write("site/served.py",
                "import socket, sys, waitress\n"
                "from hello import app\n"
                "sock = socket.socket(fileno=int(sys.argv[1]))\n"
                "waitress.create_server(app, sockets=[sock]).run()\n");
    files.write("site/hello.py",
                first_line +
                    "\n"
                    "from flask import Flask\n"
                    "app = Flask(__name__)\n"
                    "@app.route('/health')\n"
                    "def health():\n"
                    "    return {'status': 'healthy'}\n"
                    "if __name__ == '__main__':\n"
                    "    import sys\n"
                    "    app.run(port=int(sys.argv[1]) if sys.argv[1:] else 5000)\n");
}

inline Arguments command_of(const StockApp& app, const Sandbox& files) {
    Arguments out;
    for (std::string word : app.command) {
        if (const auto at = word.find("FOLDER"); at != std::string::npos) {
            word.replace(at, 6, files.path());
        }
        out.push_back(word);
    }
    return out;
}

}  // namespace steward::tests
