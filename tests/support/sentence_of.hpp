// What an exception says: errors are sentences, and tests hold them to the word.
#pragma once

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

}  // namespace kvstrata_test
