// How options of kvstrata-sim look in --help, and what their texts must be.
#pragma once

#include "replay/number_fault.hpp"

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace sim {

/// Each adds an option to a group of --help; what the command line does not set stays as it is.
struct option_adder
{
  CLI::App& app;

  template <class T>
  CLI::Option* number(const char* group, const char* name, T& value, const std::string& meaning) const
  {
    return app.add_option(name, value, meaning)
        ->group(group)
        ->check(&replay::number_fault<T>, "")
        ->type_name("N")
        ->capture_default_str();
  }
  /// Separated by commas. `usual`: what stands in it already.
  template <class T>
  CLI::Option* list(const char* group, const char* name, std::vector<T>& values, const std::string& usual,
                    const std::string& meaning) const
  {
    return app.add_option(name, values, meaning)
        ->group(group)
        ->delimiter(',')
        ->type_name("LIST")
        ->allow_extra_args(false)
        ->default_str(usual);
  }
  template <class T>
  CLI::Option* numbers(const char* group, const char* name, std::vector<T>& values, const std::string& usual,
                       const std::string& meaning) const
  {
    return list(group, name, values, usual, meaning)->check(&replay::number_fault<T>, "");
  }
  /// One that is given is not empty.
  CLI::Option* text(const char* group, const char* name, std::string& value, const char* type,
                    const std::string& meaning) const
  {
    CLI::Option* const option =
        app.add_option(name, value, meaning)->group(group)->type_name(type)->check(&replay::text_fault, "");
    return value.empty() ? option : option->capture_default_str();
  }
};

}  // namespace sim
