// What an exception says: errors are sentences, and tests hold them to the word.
#pragma once

#include <kvstrata/core/error.hpp>

#include <functional>
#include <string>

namespace kvstrata_test {

/// The sentence of the Error that `call` throws; "nothing was thrown" when it returns. Other exceptions go through.
template <class Error>
[[nodiscard]] std::string sentence_of(const std::function<void()>& call)
{
  try {
    call();
  } catch (const Error& thrown) {
    return thrown.what();
  }
  return "nothing was thrown";
}

/// What a failed device says has failed: without what it advises to do.
[[nodiscard]] inline std::string failure_of(const std::function<void()>& call)
{
  const std::string all = sentence_of<kvstrata::device_error>(call);
  return all.substr(0, all.find("; give up its caches, and the "));
}

}  // namespace kvstrata_test
