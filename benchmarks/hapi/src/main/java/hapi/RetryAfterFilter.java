package hapi;

import jakarta.servlet.Filter;
import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.http.HttpServletResponse;
import jakarta.servlet.http.HttpServletResponseWrapper;
import java.io.IOException;

/**
 * Replaces the two minutes that HAPI asks clients to wait between polls of an export, whatever its size, so that a test need not take
 * that long. Nothing else of an answer is touched.
 */
final class RetryAfterFilter implements Filter {
  private static final String HEADER = "Retry-After";
  private final String seconds;

  RetryAfterFilter(String seconds) {
    this.seconds = seconds;
  }

  @Override
  public void doFilter(ServletRequest request, ServletResponse response, FilterChain chain)
      throws IOException, ServletException {
    chain.doFilter(
        request,
        new HttpServletResponseWrapper((HttpServletResponse) response) {
          @Override
          public void addHeader(String name, String value) {
            super.addHeader(name, HEADER.equalsIgnoreCase(name) ? seconds : value);
          }

          @Override
          public void setHeader(String name, String value) {
            super.setHeader(name, HEADER.equalsIgnoreCase(name) ? seconds : value);
          }
        });
  }
}
