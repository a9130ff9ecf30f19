#include "app_command.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string_view>

#include "options.hpp"

namespace steward::host {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

bool is_one_of(const std::string& word, std::initializer_list<std::string_view> list) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

constexpr std::array<std::string_view, 18> kCodeEndings{
    ".py",  ".js", ".mjs", ".cjs", ".ts",  ".jsx", ".tsx", ".rb",  ".ru",
    ".php", ".pl", ".lua", ".ex",  ".exs", ".go",  ".rs",  ".jar", ".sh"};

// A program, or a Python module, and where its own arguments begin.
struct Program {
    std::string name;
    std::size_t arguments = 1;
};

bool is_python(const std::string& name) {
    const auto rest = name.starts_with("python") ? name.substr(6)
                      : name.starts_with("pypy") ? name.substr(4)
                                                 : "no";
    return rest.find_first_not_of("0123456789.") == std::string::npos;
}

Program program_of(const Words& command) {
    const auto name = fs::path(command.front()).filename().string();
    if (!is_python(name)) {
        return {name};
    }
    for (std::size_t i = 1; i < command.size(); ++i) {
        const auto& word = command[i];
        if (is_one_of(word, {"-W", "-X", "--check-hash-based-pycs"})) {
            ++i;
        } else if (!word.starts_with("-") || word == "-") {
            return {fs::path(word).filename().string(), i + 1};
        } else if (word.starts_with("-") && !word.starts_with("--")) {
            // Letters without a value may stand before the m: -Im, and its value right behind it.
            const auto letter = word.find_first_of("cmWX", 1);
            if (letter == std::string::npos || word[letter] == 'W' || word[letter] == 'X') {
                continue;
            }
            if (word[letter] == 'c') {
                break;
            }
            if (letter + 1 < word.size()) {
                return {word.substr(letter + 1), i + 1};
            }
            return i + 1 < command.size() ? Program{command[i + 1], i + 2} : Program{name};
        }
    }
    return {name};
}

AppFolder folder_of(const fs::path& file) {
    // Empty where a relative path leads nowhere: the working directory is gone.
    std::error_code error;
    return {fs::absolute(file, error).parent_path().string(), file.filename().string()};
}

bool is_file(const fs::path& path) {
    std::error_code error;
    return fs::is_regular_file(path, error);
}

// That of a file that is an argument: the script, or a file that the app reads or writes, a log for
// instance.
AppFolder argument_folder(const Words& command, std::size_t i) {
    auto folder = folder_of(command[i]);
    const bool code =
        std::any_of(kCodeEndings.begin(), kCodeEndings.end(),
                    [&](std::string_view ending) { return folder.program.ends_with(ending); });
    const bool of_option = command[i - 1].starts_with("-");
    if (!code && (of_option || fs::path(folder.program).has_extension())) {
        folder.program.clear();
        folder.guessed = true;
    }
    return folder;
}

// "shop.web:create_app()", "--app=shop/web": the folder of that module's file, below `base`.
AppFolder module_folder(const std::string& word, const fs::path& base) {
    std::string module = word.substr(word.starts_with("-") ? word.find('=') + 1 : 0);
    module.erase(std::min(module.find(':'), module.size()));
    if (module.empty() || module.starts_with("-")) {
        return {};
    }
    if (is_file(base / module)) {
        return folder_of(base / module);
    }
    if (module.find('/') == std::string::npos) {
        std::replace(module.begin(), module.end(), '.', '/');
    }
    if (is_file(base / (module + ".py"))) {
        return folder_of(base / (module + ".py"));
    }
    for (const char* file : {"__init__.py", "__main__.py"}) {
        if (is_file(base / module / file)) {
            return folder_of(base / module / file);
        }
    }
    return {};
}

// The working directory, unless others write there as well.
AppFolder working_folder() {
    std::error_code error;
    const auto folder = fs::current_path(error);
    const char* const temporary = std::getenv("TMPDIR");
    const std::array<fs::path, 4> shared{"/", "/tmp", temporary != nullptr ? temporary : "/tmp",
                                         home_folder()};
    const bool is_shared = std::any_of(shared.begin(), shared.end(), [&](const fs::path& other) {
        std::error_code missing;
        return fs::equivalent(folder, other, missing);
    });
    return {error || is_shared ? std::string() : folder.string(), {}, /*guessed=*/true};
}

}  // namespace

bool has_placeholder(const Words& command, const std::string& placeholder) {
    return std::any_of(command.begin(), command.end(), [&](const std::string& argument) {
        return argument.find(placeholder) != std::string::npos;
    });
}

bool runs_gunicorn(const Words& command) {
    return program_of(command).name == "gunicorn";
}

bool runs_flask(const Words& command) {
    const auto program = program_of(command);
    if (program.name != "flask") {
        return false;
    }
    for (std::size_t i = program.arguments; i < command.size(); ++i) {
        if (is_one_of(command[i], {"-A", "--app", "-e", "--env-file"})) {
            ++i;
        } else if (!command[i].starts_with("-")) {
            return command[i] == "run";
        }
    }
    return false;
}

AppFolder app_folder(const Words& command,
                     const std::vector<std::pair<std::string, std::string>>& environment) {
    fs::path base;
    for (std::size_t i = 1; i < command.size(); ++i) {
        if (is_file(command[i])) {
            return argument_folder(command, i);
        }
        if (command[i] == "--chdir" && i + 1 < command.size()) {
            base = command[i + 1];
        }
    }
    Words modules(command.begin() + 1, command.end());
    std::vector<fs::path> roots{base};
    for (const auto& [name, value] : environment) {
        if (name == "FLASK_APP") {
            modules.push_back(value);
        } else if (name == "PYTHONPATH") {
            std::istringstream folders(value);
            for (std::string folder; std::getline(folders, folder, ':');) {
                roots.emplace_back(folder);
            }
        }
    }
    for (const auto& root : roots) {
        for (const auto& word : modules) {
            if (auto folder = module_folder(word, root); !folder.path.empty()) {
                return folder;
            }
        }
    }
    if (!base.empty()) {
        std::error_code error;
        return {fs::absolute(base, error).string(), {}, /*guessed=*/true};
    }
    const auto program = program_of(command).name;
    const bool installed = program != fs::path(command.front()).filename() ||
                           is_one_of(program, {"flask", "gunicorn"});
    return command.front().find('/') != std::string::npos && !installed ? folder_of(command.front())
                                                                        : working_folder();
}

Words source_endings() {
    Words endings{".toml", ".json",       ".yaml",     ".yml",
                  ".xml",  ".properties", ".cfg",      ".conf",
                  ".ini",  ".env",        ".flaskenv", ".html",
                  ".css",  "Procfile",    "Gemfile",   "requirements.txt"};
    endings.insert(endings.end(), kCodeEndings.begin(), kCodeEndings.end());
    return endings;
}

}  // namespace steward::host
