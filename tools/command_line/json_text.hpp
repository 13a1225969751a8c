// JSON as the tools write it.
#pragma once

#include <string>

namespace tools {

/// What is no UTF-8, such as the name of a file, becomes U+FFFD. `indent`: spaces a level; -1: all in one line.
template <class Json>
[[nodiscard]] std::string json_text(const Json& all, int indent = 2)
{
  return all.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tools
