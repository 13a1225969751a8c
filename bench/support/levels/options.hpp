// What the levels bench is asked to do.
#pragma once

#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace levels {

inline constexpr std::string_view usage =
    R"(levels_bench [--baseline DIR] [--rounds N] [--stream WHICH] [--only PART] [--hold TABLE]

  --baseline DIR   a checkout of an older commit: the same is measured with its headers, and the time beside it
  --rounds N       of the time, with fresh caches each (5)
  --stream WHICH   kuairand, synthetic, or auto (the default): KuaiRand-Pure where it is at hand
  --only PART      streams, one_page, blocks, bytes or time
  --hold TABLE     ends with 1 when a value is more than a fifth above the table's; measures nothing else: for tests
)";

struct options
{
  std::filesystem::path baseline;  ///< empty: none
  int rounds = 5;
  std::string stream = "auto";
  std::string only;
  std::string hold;

  [[nodiscard]] bool wants(std::string_view part) const noexcept { return only.empty() || only == part; }
};

[[nodiscard]] inline options parse(std::span<char*> arguments)
{
  options o;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string name = arguments[i];
    const auto one_of = [&name](const std::string& value, std::initializer_list<std::string_view> choices) {
      for (const std::string_view choice : choices) {
        if (choice == value) return value;
      }
      throw std::runtime_error(name + " is " + value + ", which it cannot be\n" + std::string(usage));
    };
    if (++i == arguments.size()) throw std::runtime_error(name + " wants a value\n" + std::string(usage));
    const std::string value = arguments[i];
    if (name == "--baseline") o.baseline = value;
    else if (name == "--rounds") {
      std::size_t read = 0;
      try {
        o.rounds = std::stoi(value, &read);
      } catch (const std::exception&) {
        read = 0;
      }
      if (read != value.size() || o.rounds < 1 || o.rounds > 100) {
        throw std::runtime_error("--rounds is " + value + ", but it must be a number from 1 to 100");
      }
    } else if (name == "--stream") o.stream = one_of(value, {"auto", "kuairand", "synthetic"});
    else if (name == "--only") o.only = one_of(value, {"streams", "one_page", "blocks", "bytes", "time"});
    else if (name == "--hold") o.hold = value;
    else throw std::runtime_error("there is no option " + name + "\n" + std::string(usage));
  }
  return o;
}

}  // namespace levels
