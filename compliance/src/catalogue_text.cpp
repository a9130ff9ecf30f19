#include "catalogue_text.hpp"

#include <iomanip>
#include <ostream>

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>

namespace steward::compliance {
namespace {

std::string applies_to(const Check& check) {
    return check.interface.empty() ? "any" : std::string(check.interface);
}

}  // namespace

void write_explanation(std::ostream& out, const Check& check) {
    out << check.id << "  (" << to_string(check.level) << ", " << group_of(check) << ", "
        << (check.interface.empty() ? std::string("any plugin")
                                    : "plugins with " + std::string(check.interface))
        << ")\n\nRule: " << check.rule << "\n\nWhy: " << check.why
        << "\n\nTo mend it: " << check.fix << "\n\nAlone: steward-compliance run FILE --only "
        << check.id << '\n';
}

void write_catalogue_text(std::ostream& out) {
    for (const Group& group : catalogue()) {
        out << group.name << '\n';
        for (const Check& check : group.checks) {
            out << "  " << std::left << std::setw(30) << check.id << ' ' << std::setw(6)
                << to_string(check.level) << ' ' << check.rule << '\n';
        }
    }
}

void write_catalogue_ids(std::ostream& out) {
    for (const Group& group : catalogue()) {
        for (const Check& check : group.checks) {
            out << check.id << '\n';
        }
    }
}

void write_catalogue_json(std::ostream& out) {
    Poco::JSON::Array::Ptr checks = new Poco::JSON::Array;
    for (const Group& group : catalogue()) {
        for (const Check& check : group.checks) {
            Poco::JSON::Object::Ptr row = new Poco::JSON::Object(Poco::JSON_PRESERVE_KEY_ORDER);
            row->set("id", std::string(check.id));
            row->set("number", check.number);
            row->set("group", std::string(group.name));
            row->set("level", std::string(to_string(check.level)));
            row->set("interface", std::string(check.interface));
            row->set("rule", std::string(check.rule));
            row->set("why", std::string(check.why));
            row->set("fix", std::string(check.fix));
            row->set("budget_ms", static_cast<std::int64_t>(check.budget.count()));
            checks->add(row);
        }
    }
    Poco::JSON::Object root;
    root.set("checks", checks);
    root.stringify(out);
    out << '\n';
}

void write_catalogue_markdown(std::ostream& out) {
    for (const Group& group : catalogue()) {
        out << "\n## " << group.name << "\n";
        for (const Check& check : group.checks) {
            out << "\n### " << check.id << "\n\n"
                << check.number << ". **" << to_string(check.level) << "**, "
                << (check.interface.empty() ? std::string("any plugin")
                                            : "plugins with `" + applies_to(check) + "`")
                << ". " << check.rule << "\n\n*Why.* " << check.why << "\n\n*To mend it.* "
                << check.fix << '\n';
        }
    }
}

}  // namespace steward::compliance
