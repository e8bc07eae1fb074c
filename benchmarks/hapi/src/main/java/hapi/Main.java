package hapi;

import ca.uhn.fhir.batch2.api.IJobMaintenanceService;
import ca.uhn.fhir.batch2.jobs.export.BulkDataExportProvider;
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.interceptor.api.IInterceptorService;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.provider.IJpaSystemProvider;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.jpa.subscription.submit.interceptor.SubscriptionSubmitInterceptorLoader;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.server.HardcodedServerAddressStrategy;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import jakarta.servlet.DispatcherType;
import java.util.EnumSet;
import org.eclipse.jetty.ee10.servlet.FilterHolder;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.slf4j.LoggerFactory;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;

/**
 * Starts HAPI on the loopback address: {@code java -jar hapi-launcher.jar [port] [--stay]}, by default on a free port. Prints one line
 * of JSON with its base URL when it answers. Ends when its standard input closes, so that it never outlives the test that started it,
 * unless told to stay. The system property {@code hapi.retryAfterSeconds} shortens the Retry-After of export polls,
 * {@code hapi.largestPage} is the largest page of a search, {@code hapi.jdbcUrl} a PostgreSQL database to use.
 */
public final class Main {
  private Main() {}

  public static void main(String[] arguments) throws Exception {
    int port = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 0;
    boolean stays = arguments.length > 1 && arguments[1].equals("--stay");
    Server jetty = new Server();
    ServerConnector connector = new ServerConnector(jetty);
    connector.setHost("127.0.0.1");
    connector.setPort(port);
    jetty.addConnector(connector);
    connector.open();
    String base = "http://127.0.0.1:" + connector.getLocalPort() + "/fhir";

    AnnotationConfigApplicationContext spring = new AnnotationConfigApplicationContext(ServerConfig.class);
    ServletContextHandler handler = new ServletContextHandler("/");
    handler.addServlet(new ServletHolder(restfulServer(spring, base)), "/fhir/*");
    String retryAfter = System.getProperty("hapi.retryAfterSeconds");
    if (retryAfter != null) {
      FilterHolder filter = new FilterHolder(new RetryAfterFilter(retryAfter));
      handler.addFilter(filter, "/*", EnumSet.of(DispatcherType.REQUEST));
    }
    jetty.setHandler(handler);
    jetty.start();
    keepJobsMoving(spring.getBean(IJobMaintenanceService.class));
    System.out.println("{\"url\":\"" + base + "\",\"pid\":" + ProcessHandle.current().pid() + "}");
    System.out.flush();
    if (stays) jetty.join();
    else while (System.in.read() >= 0) continue;
    System.exit(0);
  }

  /**
   * HAPI moves its batch jobs, exports among them, to their next step once a minute; here it looks every second, or as often as
   * {@code hapi.secondsBetweenJobPasses} says.
   */
  private static void keepJobsMoving(IJobMaintenanceService maintenance) {
    long milliseconds = 1000L * Integer.getInteger("hapi.secondsBetweenJobPasses", 1);
    Thread thread =
        new Thread(
            () -> {
              while (true) {
                try {
                  Thread.sleep(milliseconds);
                  maintenance.runMaintenancePass();
                } catch (InterruptedException ended) {
                  return;
                } catch (RuntimeException failed) {
                  LoggerFactory.getLogger(Main.class).warn("A pass over the jobs failed", failed);
                }
              }
            },
            "job-passes");
    thread.setDaemon(true);
    thread.start();
  }

  private static RestfulServer restfulServer(AnnotationConfigApplicationContext spring, String base) {
    IFhirSystemDao<?, ?> dao = spring.getBean(IFhirSystemDao.class);
    RestfulServer server = new RestfulServer(spring.getBean(FhirContext.class));
    server.setInterceptorService(spring.getBean(IInterceptorService.class));
    server.registerProviders(spring.getBean(ResourceProviderFactory.class).createProviders());
    server.registerProvider(spring.getBean(IJpaSystemProvider.class));
    server.registerProvider(spring.getBean(BulkDataExportProvider.class));
    server.setServerConformanceProvider(
        new JpaCapabilityStatementProvider(
            server,
            dao,
            spring.getBean(JpaStorageSettings.class),
            spring.getBean(ISearchParamRegistry.class),
            spring.getBean(IValidationSupport.class)));
    DatabaseBackedPagingProvider paging = spring.getBean(DatabaseBackedPagingProvider.class);
    paging.setMaximumPageSize(Integer.getInteger("hapi.largestPage", paging.getMaximumPageSize()));
    server.setPagingProvider(paging);
    server.setServerAddressStrategy(new HardcodedServerAddressStrategy(base));
    server.setDefaultResponseEncoding(EncodingEnum.JSON);
    server.setDefaultPrettyPrint(false);
    return server;
  }
}
