// Where the files of a command are, so that a change of them is noticed.
#include "app_command.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "catch.hpp"

namespace steward::host {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

// A folder of its own as the working directory.
class Folder {
  public:
    Folder() {
        char name[] = "/tmp/steward-command-XXXXXX";
        REQUIRE(mkdtemp(name) != nullptr);
        path_ = name;
        before_ = fs::current_path();
        fs::current_path(path_);
    }
    ~Folder() {
        fs::current_path(before_);
        fs::remove_all(path_);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    std::string file(const std::string& name) const {
        fs::create_directories((path_ / name).parent_path());
        std::ofstream(path_ / name).put('\n');
        return (path_ / name).string();
    }
    std::string sub(const std::string& name) const {
        return name.empty() ? path_.string() : (path_ / name).string();
    }

  private:
    fs::path path_;
    fs::path before_;
};

}  // namespace

TEST_CASE("the app's folder is that of the file, module or program that the command names") {
    Folder here;
    here.file("web/app.py");
    here.file("shop/__init__.py");
    here.file("shop/views.py");
    here.file("bin/server");
    const auto [folder, command] = GENERATE(table<std::string, Words>({
        {"web", {"python3", "web/app.py", "--port", "{port}"}},
        {"web", {"./bin/server", "--config", "web/app.py"}},
        {"web", {"flask", "--app", "web/app", "run"}},
        {"web", {"flask", "--app=web.app:make()", "run"}},
        {"web", {"gunicorn", "--chdir", "web", "app:app"}},
        {"web", {"gunicorn", "--chdir", "web", "elsewhere:app"}},
        {"shop", {"python3", "-m", "gunicorn", "shop.views:app"}},
        {"shop", {"/usr/bin/gunicorn", "shop:app"}},
        {"shop", {"python3", "-m", "shop"}},
        {"bin", {"./bin/server", "--port", "{port}"}},
        {"", {"/usr/bin/flask", "run"}},
        {"", {"/usr/bin/python3", "-m", "flask", "run"}},
        {"", {"npm", "start"}},
    }));
    CAPTURE(command);
    CHECK(fs::weakly_canonical(app_folder(command, {}).path) ==
          fs::weakly_canonical(here.sub(folder)));
}

TEST_CASE("the program is the file that is run, and a folder without one is a guess") {
    Folder here;
    here.file("web/app.py");
    here.file("bin/server");
    here.file("var/app.log");
    here.file("var/pid");
    const auto [program, guessed, command] = GENERATE(table<std::string, bool, Words>({
        {"app.py", false, {"python3", "web/app.py", "--port", "{port}"}},
        {"app.py", false, {"flask", "--app", "web.app", "run"}},
        {"app.py", false, {"./bin/server", "--app", "web/app.py"}},
        {"server", false, {"./bin/server", "--port", "{port}"}},
        {"server", false, {"python3", "bin/server"}},
        {"", true, {"tool", "--log-file", "var/app.log"}},
        {"", true, {"tool", "--pid-file", "var/pid"}},
        {"", true, {"gunicorn", "--chdir", "web", "elsewhere:app"}},
        {"", true, {"npm", "start"}},
    }));
    CAPTURE(command);
    const auto folder = app_folder(command, {});
    CHECK(folder.program == program);
    CHECK(folder.guessed == guessed);
}

TEST_CASE("FLASK_APP names the module as an argument does") {
    Folder here;
    here.file("web/app.py");
    CHECK(fs::equivalent(app_folder({"flask", "run"}, {{"FLASK_APP", "web.app"}}).path,
                         here.sub("web")));
}

TEST_CASE("a module is found along PYTHONPATH, too") {
    Folder here;
    here.file("lib/web/app.py");
    CHECK(fs::equivalent(app_folder({"waitress-serve", "web.app:app"},
                                    {{"PYTHONPATH", "/nonexistent:" + here.sub("lib")}})
                             .path,
                         here.sub("lib/web")));
}

TEST_CASE("a working directory that others write to is nobody's app") {
    Folder here;
    setenv("HOME", here.sub("").c_str(), 1);
    CHECK(app_folder({"npm", "start"}, {}).path.empty());
    setenv("HOME", "/nonexistent", 1);
    CHECK_FALSE(app_folder({"npm", "start"}, {}).path.empty());
    fs::current_path("/tmp");
    CHECK(app_folder({"npm", "start"}, {}).path.empty());
    fs::current_path("/");
    CHECK(app_folder({"npm", "start"}, {}).path.empty());
}

}  // namespace steward::host
