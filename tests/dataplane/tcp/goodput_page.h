// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

namespace godwit::dataplane::tcp {

// The page `path` has the table `found`, to the letter. Leaves it in `left`, in the working
// directory, for whoever renews the page.
inline void expect_page_has(const std::string& path, const std::string& found,
                            const std::string& left) {
  std::ofstream(left) << found;
  std::ifstream file(path);
  ASSERT_TRUE(file) << path;
  std::stringstream page;
  page << file.rdbuf();
  EXPECT_NE(page.str().find(found), std::string::npos) << "the table is now\n" << found;
}

}  // namespace godwit::dataplane::tcp
